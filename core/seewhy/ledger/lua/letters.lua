-- ARGV: policy, list, limit -> {{job id, field, value, ...}, ...}, the oldest first
local list = 'seewhy:' .. ARGV[2]
local letters = {}
for _, id in ipairs(redis.call('ZRANGE', list, 0, ARGV[3] - 1)) do
  local fields = redis.call('HGETALL', job_key(id))
  if #fields == 0 then
    redis.call('ZREM', list, id)
  else
    table.insert(fields, 1, id)
    table.insert(letters, fields)
  end
end
return letters
