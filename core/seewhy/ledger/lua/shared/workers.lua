-- The workers whose registration has not expired, by id.
local function live_workers()
  local oldest, workers = now_ms() - settings.lease_ms, {}
  local entries = redis.call('HGETALL', WORKERS)
  for n = 1, #entries, 2 do
    local worker = cjson.decode(entries[n + 1])
    if worker.seen_ms > oldest then workers[entries[n]] = worker end
  end
  return workers
end

local function contains(list, value)
  for _, each in ipairs(list or {}) do
    if each == value then return true end
  end
  return false
end
