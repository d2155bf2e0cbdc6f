-- args: list (the key of a sorted set of job ids), limit -> {{job id, field, value, ...}, ...}
-- The oldest first. Ids of expired records are removed from the list.
local records = {}
for _, id in ipairs(redis.call('ZRANGE', args.list, 0, args.limit - 1)) do
  local fields = redis.call('HGETALL', job_key(id))
  if #fields == 0 then
    redis.call('ZREM', args.list, id)
  else
    table.insert(fields, 1, id)
    table.insert(records, fields)
  end
end
return records
