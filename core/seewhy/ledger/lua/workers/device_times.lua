#!lua flags=no-writes
-- args: none -> {{model, {measurement|device, values as JSON, ...}}, ...}
local rows = {}
for _, model in ipairs(redis.call('HKEYS', MODELS_SEEN)) do
  local times = redis.call('HGETALL', device_times_key(model))
  if #times > 0 then table.insert(rows, { model, times }) end
end
return rows
