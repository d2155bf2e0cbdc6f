#!lua flags=no-writes
-- args: worker_id, models [{name, lanes}] -> {{model, ready jobs, interactive ones, age of the oldest
--       in ms, their device time in ms, other workers that have it loaded, others that load it}, ...}
local now, workers, rows = now_ms(), live_workers(), {}
workers[args.worker_id] = nil

local function of_lane(lane, row)
  local ready = tonumber(redis.call('HGET', READY, lane) or 0)
  if ready == 0 then return end
  local cost = tonumber(redis.call('HGET', ready_cost_key(lane), ALL_TENANTS) or 0)
  local oldest = oldest_ready(lane) or now
  row[2] = row[2] + ready
  if string.find(lane, ':interactive', 1, true) then row[3] = row[3] + ready end
  row[4] = math.max(row[4], now - oldest)
  row[5] = row[5] + math.floor(cost * pass_us_of(lane) / (settings.pass_cost * 1000))
end

for _, model in ipairs(args.models) do
  local row = { model.name, 0, 0, 0, 0, 0, 0 }
  for _, lane in ipairs(model.lanes) do of_lane(lane, row) end
  for _, worker in pairs(workers) do
    if contains(worker.models, model.name) then row[6] = row[6] + 1 end
    if worker.loading == model.name then row[7] = row[7] + 1 end
  end
  table.insert(rows, row)
end
return rows
