#!lua flags=allow-oom
-- args: job_id, outcome {state, finished_ms, ...} -> 1 | 0
local id, outcome, now = args.job_id, args.outcome, now_ms()
if not is_open(field(id, 'state')) then return 0 end
if outcome.finished_ms + settings.retention_ms <= now then return 0 end
local fields = {}
for name, value in pairs(outcome) do
  if name ~= 'state' then
    table.insert(fields, name)
    table.insert(fields, value)
  end
end
finish(id, outcome.state, now, unpack(fields))
return 1
