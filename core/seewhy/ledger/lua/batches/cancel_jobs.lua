#!lua flags=allow-oom
-- args: batch_id, owner, lease_ms, first, job_ids -> {held, position}
local id, key, now = args.batch_id, batch_key(args.batch_id), now_ms()
local state, position, total =
  unpack(redis.call('HMGET', key, 'state', 'cancel_position', 'total'))
if state ~= 'running' or not holds_batch(id, args.owner) then return { 0, 0 } end
position = tonumber(position or 0)
local last = args.first + #args.job_ids
if position < args.first or position >= last then return { 1, position } end
for _, job_id in ipairs(args.job_ids) do cancel_job(job_id, now) end
redis.call('HSET', key, 'cancel_position', last)
if last >= tonumber(total) then
  redis.call('ZREM', BATCHES_DUE, id)
elseif redis.call('ZSCORE', BATCHES_DUE, id) then
  redis.call('ZADD', BATCHES_DUE, now + args.lease_ms, id)
end
return { 1, last }
