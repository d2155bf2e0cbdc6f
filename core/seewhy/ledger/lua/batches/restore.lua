#!lua
-- args: batch_id, fields, key?, as in create.lua, created_ms, cancel_requested -> 1 | 0
local id, fields, now = args.batch_id, args.fields, now_ms()
if redis.call('EXISTS', batch_key(id)) == 1 then return 0 end
local created = math.min(args.created_ms, now)
if created + settings.retention_ms <= now then return 0 end
if args.cancel_requested then fields.cancel_requested = 1 end
add_batch(id, fields, created)
restore_key(args.key, id, created, now)
return 1
