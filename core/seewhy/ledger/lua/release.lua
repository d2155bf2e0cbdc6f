-- ARGV: policy, {job id, fence}... -> {1 | 0, ...}
local now = now_ms()
local done = {}
for n = 2, #ARGV, 2 do
  local id = ARGV[n]
  if field(id, 'state') == 'running' and field(id, 'fence') == ARGV[n + 1] then
    redis.call('HINCRBY', job_key(id), 'attempts', -1)
    if not called_off(id, now) then
      requeue(id)
      make_ready(id, now)
    end
    table.insert(done, 1)
  else
    table.insert(done, 0)
  end
end
return done
