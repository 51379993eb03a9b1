"""The wire: every JSON object that a request carries or an answer holds, field by field, in order.

Each area has a module; this package offers the types of all of them (`wire.Version`).
"""

from goldenrod.base.wire.accounts import *
from goldenrod.base.wire.channels import *
from goldenrod.base.wire.common import *
from goldenrod.base.wire.images import *
from goldenrod.base.wire.lineage import *
from goldenrod.base.wire.providers import *
from goldenrod.base.wire.versions import *
from goldenrod.base.wire.webhooks import *
