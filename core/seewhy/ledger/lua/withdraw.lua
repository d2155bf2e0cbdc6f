-- ARGV: policy, {job id, fence}... -> {1 | 0, ...}
local now = now_ms()
local done = {}
for n = 2, #ARGV, 2 do
  local id = ARGV[n]
  if field(id, 'state') == 'running' and field(id, 'fence') == ARGV[n + 1]
      and field(id, 'cancel') then
    settle(id, 'cancelled', now)
    table.insert(done, 1)
  else
    table.insert(done, 0)
  end
end
return done
