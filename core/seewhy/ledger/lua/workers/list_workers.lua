#!lua flags=allow-oom
-- args: none -> {{worker id, worker as JSON}, ...}; removes the registrations that have expired
local oldest = now_ms() - settings.lease_ms
local workers = {}
local entries = redis.call('HGETALL', WORKERS)
for n = 1, #entries, 2 do
  if cjson.decode(entries[n + 1]).seen_ms <= oldest then
    redis.call('HDEL', WORKERS, entries[n])
  else
    table.insert(workers, { entries[n], entries[n + 1] })
  end
end
return workers
