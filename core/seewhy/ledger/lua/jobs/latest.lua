#!lua flags=allow-oom
-- args: tenant, before?, limit -> {the last id examined, or '' at the end,
--       {job id, field, value, ...}, ...}
-- The newest first. Ids of expired records are removed from the list.
local key = latest_key(args.tenant)
local newest = args.before and '(' .. args.before or '+'
local ids = redis.call('ZRANGE', key, newest, '-', 'BYLEX', 'REV', 'LIMIT', 0, args.limit)
local answer = { #ids == args.limit and ids[#ids] or '' }
for _, id in ipairs(ids) do
  local fields = redis.call('HGETALL', job_key(id))
  if #fields == 0 then
    redis.call('ZREM', key, id)
  else
    table.insert(fields, 1, id)
    table.insert(answer, fields)
  end
end
return answer
