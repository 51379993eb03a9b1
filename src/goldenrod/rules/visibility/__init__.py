"""One rule, three forms, held equal by tests/rules: branches for long lists, stored counts, denormalised columns."""
