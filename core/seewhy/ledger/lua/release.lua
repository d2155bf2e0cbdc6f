-- ARGV: policy, not before in ms, {job id, fence}... -> {1 | 0, ...}
local now, delay = now_ms(), tonumber(ARGV[2])
local done = {}
for n = 3, #ARGV, 2 do
  local id = ARGV[n]
  if field(id, 'state') == 'running' and field(id, 'fence') == ARGV[n + 1] then
    redis.call('HINCRBY', job_key(id), 'attempts', -1)
    if not called_off(id, now) then
      requeue(id)
      if delay > 0 then
        redis.call('ZADD', DUE, now + delay, id)
      else
        make_ready(id, now)
      end
    end
    table.insert(done, 1)
  else
    table.insert(done, 0)
  end
end
return done
