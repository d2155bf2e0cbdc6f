#!lua flags=allow-oom
-- args: list (the key of a sorted set of job ids), offset, limit
--       -> {examined, {job id, field, value, ...}, ...}
-- The oldest first. Ids of expired records are removed from the list.
local ids = redis.call('ZRANGE', args.list, args.offset, args.offset + args.limit - 1)
local answer = { #ids }
for _, id in ipairs(ids) do
  local fields = redis.call('HGETALL', job_key(id))
  if #fields == 0 then
    redis.call('ZREM', args.list, id)
  else
    table.insert(fields, 1, id)
    table.insert(answer, fields)
  end
end
return answer
