-- ARGV: policy, owner, epoch, server -> 1 | 0
if redis.call('HGET', LEAD, 'owner') ~= ARGV[2] then return 0 end
redis.call('HSET', EPOCH, 'epoch', ARGV[3], 'server', ARGV[4])
redis.call('DEL', LEAD)
return 1
