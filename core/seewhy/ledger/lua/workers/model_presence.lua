#!lua flags=no-writes
-- args: none -> {now in ms, {{model, {device, workers, ...} that serve it, {device, workers, ...} that
--       have it loaded, when one was last seen}, ...}}
local now = now_ms()
local serving, loaded, rows = {}, {}, {}

local function add(counts, model, worker)
  local device = worker.device or 'cpu'
  counts[model] = counts[model] or {}
  counts[model][device] = (counts[model][device] or 0) + 1
end

for _, worker in pairs(live_workers()) do
  for _, model in ipairs(worker.models) do
    add(serving, model, worker)
    add(loaded, model, worker)
  end
  for _, model in ipairs(worker.on_demand or {}) do
    if not contains(worker.models, model) then add(serving, model, worker) end
  end
end

local function flat(counts)
  local list = {}
  for device, count in pairs(counts or {}) do
    table.insert(list, device)
    table.insert(list, count)
  end
  return list
end

local seen = redis.call('HGETALL', MODELS_SEEN)
for n = 1, #seen, 2 do
  table.insert(rows, { seen[n], flat(serving[seen[n]]), flat(loaded[seen[n]]), seen[n + 1] })
end
return { now, rows }
