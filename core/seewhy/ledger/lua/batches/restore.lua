#!lua
-- args: batch_id, fields, key?, as in create.lua, created_ms, cancel_requested,
--       outcome? {state, created_ms, finished_ms, ...} -> 1 | 0
local id, fields, outcome, now = args.batch_id, args.fields, args.outcome, now_ms()
if redis.call('EXISTS', batch_key(id)) == 1 then return 0 end
local created = math.min(args.created_ms, now)
local kept_from = outcome and outcome.finished_ms or created
if kept_from + settings.retention_ms <= now then return 0 end
if args.cancel_requested then fields.cancel_requested = 1 end
if outcome then
  for name, value in pairs(outcome) do fields[name] = value end
  fields.position = outcome.total
  set_hash(batch_key(id), fields)
  expire_batch(id, fields.webhook_url, outcome.finished_ms, now)
else
  add_batch(id, fields, created)
end
restore_key(args.key, id, created, now)
return 1
