"""The JSON objects of requests and answers, each with its fields in the order of the JSON.

Each area has a module. This package exports the types of all modules, such as `wire.Version`.
"""

from goldenrod.base.wire.accounts import *
from goldenrod.base.wire.channels import *
from goldenrod.base.wire.common import *
from goldenrod.base.wire.images import *
from goldenrod.base.wire.lineage import *
from goldenrod.base.wire.providers import *
from goldenrod.base.wire.sync import *
from goldenrod.base.wire.terraform import *
from goldenrod.base.wire.versions import *
from goldenrod.base.wire.webhooks import *
