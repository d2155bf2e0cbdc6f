#!lua flags=allow-oom
-- args: worker_id, models, on_demand, loading, device, measurements [{model, name, values}],
--       details (as JSON)
local KEEP_MS = 30 * 24 * 3600 * 1000
local known = redis.call('HGET', WORKERS, args.worker_id)
local now = now_ms()
redis.call('HSET', WORKERS, args.worker_id, cjson.encode({
  models = args.models,
  on_demand = args.on_demand,
  loading = args.loading,
  device = args.device,
  details = args.details,
  started_ms = known and cjson.decode(known).started_ms or now,
  seen_ms = now,
}))
for _, models in ipairs({ args.models, args.on_demand }) do
  for _, model in ipairs(models) do redis.call('HSET', MODELS_SEEN, model, now) end
end

-- Average the device time of a pass over the reports: with several kinds of devices, this is about
-- the mean over the workers. Python: `averaged_pass_us`.
local function average_pass(model, values)
  table.sort(values)
  local middle = #values / 2
  local median_ms = (values[math.floor(middle + 0.5)] + values[math.floor(middle) + 1]) / 2
  local reported_us = math.max(1, math.floor(median_ms * 1000))
  local known_us = tonumber(redis.call('HGET', PASS_US, model) or reported_us)
  redis.call('HSET', PASS_US, model, math.floor((9 * known_us + reported_us) / 10))
end

for _, measured in ipairs(args.measurements) do
  local key, name = device_times_key(measured.model), measured.name .. '|' .. args.device
  local kept = redis.call('HGET', key, name)
  if kept or redis.call('HLEN', key) < settings.measurements_limit then
    local values = kept and cjson.decode(kept) or {}
    for _, value in ipairs(measured.values) do table.insert(values, value) end
    while #values > settings.measured_values do table.remove(values, 1) end
    redis.call('HSET', key, name, cjson.encode(values))
    redis.call('PEXPIRE', key, KEEP_MS)
    if measured.name == settings.plain_method then average_pass(measured.model, values) end
  end
end
