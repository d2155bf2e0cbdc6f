-- ARGV: policy, {job id, fence, result}... -> {1 | 0, ...}
local now = now_ms()
local done = {}
for n = 2, #ARGV, 3 do
  local id = ARGV[n]
  if field(id, 'state') == 'running' and field(id, 'fence') == ARGV[n + 1] then
    settle(id, 'succeeded', now, 'result', ARGV[n + 2])
    table.insert(done, 1)
  else
    table.insert(done, 0)
  end
end
return done
