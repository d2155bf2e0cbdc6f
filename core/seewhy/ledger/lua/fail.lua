-- ARGV: policy, {job id, fence, code, detail, retry in ms or ''}... -> {1 | 0, ...}
local now = now_ms()
local done = {}
for n = 2, #ARGV, 5 do
  local id, code, detail, delay = ARGV[n], ARGV[n + 2], ARGV[n + 3], ARGV[n + 4]
  if field(id, 'state') == 'running' and field(id, 'fence') == ARGV[n + 1] then
    local retry = delay ~= '' and tonumber(field(id, 'attempts')) < policy.max_attempts
    if retry then
      if not called_off(id, now) then
        requeue(id)
        redis.call('ZADD', DUE, now + tonumber(delay), id)
      end
    else
      settle(id, 'failed', now, 'error_code', code, 'error_detail', detail)
    end
    table.insert(done, 1)
  else
    table.insert(done, 0)
  end
end
return done
