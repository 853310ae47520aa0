-- asyncio in plain Lua, as far as the small models need it: CPython 3.13's sources, line by line,
-- under neap's names. Nothing here knows how neap does it. Where neap promises more than asyncio
-- (the classes of spec/differential/deviations.py), a comment with the name of the rule says so.
require "spec.models.reference.locks"
require "spec.models.reference.queues"
require "spec.models.reference.groups"

return require "spec.models.reference.tasks"
