#!lua
-- args: batch_id, owner, lease_ms, first, key_id, quotas?,
--       items [{job_id, fields, deadline_ms?, passes} or {newly_refused: 1 | 0}]
--       -> {held, position, limit as in submit.lua, {lane, wakeups, ...}}
local id, key = args.batch_id, batch_key(args.batch_id)
local state, position, total, cancelled = unpack(
  redis.call('HMGET', key, 'state', 'position', 'total', 'cancel_requested'))
if state ~= 'accepting' or not holds_batch(id, args.owner) then return { 0, 0, {}, {} } end
local now, limit, lanes = now_ms(), nil, {}
local use = args.quotas and recent_use(args.key_id, now)
position, total = tonumber(position), tonumber(total)

local function limit_of(item, tenant)
  local charge = { key_id = args.key_id, passes = item.passes, quotas = args.quotas }
  local lane = item.fields.lane
  return reached_limit(lane, tenant, now)
    or args.quotas and reached_quota(charge, use, lane, tenant, now), charge
end

-- Make a job of an item, unless a limit refuses it. The fence is above that of every claim from
-- before a loss of data: the job may be one that was lost.
local function submit(item)
  local charge
  limit, charge = limit_of(item, tenant_in(item.fields.context))
  if limit then return end
  local computes = add_job(item.job_id, item.fields, now, item.deadline_ms, now)
  if args.quotas then take_quota(item.job_id, charge, use, computes, now) end
  if computes then
    make_ready(item.job_id, now)
    redis.call('HSET', key, 'last_job:' .. item.fields.lane, item.job_id)
  end
  lanes[item.fields.lane] = true
end

while not limit and position >= args.first and args.items[position - args.first + 1] do
  local item = args.items[position - args.first + 1]
  if not item.job_id then
    if item.newly_refused == 1 then redis.call('HINCRBY', key, 'refused', 1) end
  elseif redis.call('EXISTS', job_key(item.job_id)) == 0 then
    if cancelled then redis.call('HINCRBY', key, 'dropped', 1) else submit(item) end
  end
  if not limit then position = position + 1 end
end

redis.call('HSET', key, 'position', position)
redis.call('ZADD', BATCHES_DUE, now + args.lease_ms, id)
if position == total then
  redis.call('HSET', key, 'state', 'running', 'accepted_ms', now)
  if not cancelled then redis.call('ZREM', BATCHES_DUE, id) end
  end_batch(id, now)
end
local wakeups = {}
for lane in pairs(lanes) do
  table.insert(wakeups, lane)
  table.insert(wakeups, wakeups_needed(lane))
end
return { 1, position, limit or {}, wakeups }
