-- ARGV: policy, job id -> how many jobs go before it, plus one; 0 when it does not wait for a turn
local id = field(ARGV[2], 'follows') or ARGV[2]
local lane, tenant = field(id, 'lane'), tenant_of(id)
if not lane then return 0 end
if field(id, 'alone') then return (redis.call('ZRANK', alone_key(lane), id) or -1) + 1 end
local rank = redis.call('ZRANK', lane_key(lane, tenant), id)
if not rank then return 0 end
local turn = tonumber(redis.call('ZSCORE', turns_key(lane), tenant)) + rank
local before = 0
local turns = redis.call('ZRANGE', turns_key(lane), 0, -1, 'WITHSCORES')
for n = 1, #turns, 2 do
  -- Of two whose turn it is, the first by name goes first.
  local had = turn - tonumber(turns[n + 1]) + (turns[n] < tenant and 1 or 0)
  before = before + math.max(0, math.min(redis.call('ZCARD', lane_key(lane, turns[n])), had))
end
return before + 1
