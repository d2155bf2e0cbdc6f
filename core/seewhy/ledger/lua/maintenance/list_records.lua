#!lua flags=allow-oom
-- args: list (the key of a sorted set of job ids), offset, limit, tenant?
--       -> {examined, kept, {job id, field, value, ...}, ...}
-- The oldest first, with a tenant only its own. Ids of expired records are removed from the list;
-- those that are kept precede the next offset.
local ids = redis.call('ZRANGE', args.list, args.offset, args.offset + args.limit - 1)
local kept = 0
local answer = { #ids, 0 }
for _, id in ipairs(ids) do
  local tenant = tenant_of(id)
  if not tenant then
    redis.call('ZREM', args.list, id)
  else
    kept = kept + 1
    if not args.tenant or tenant == args.tenant then
      local fields = redis.call('HGETALL', job_key(id))
      table.insert(fields, 1, id)
      table.insert(answer, fields)
    end
  end
end
answer[2] = kept
return answer
