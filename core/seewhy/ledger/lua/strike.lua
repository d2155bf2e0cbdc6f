-- ARGV: policy, list, job id... -> how many were there
local list = 'seewhy:' .. ARGV[2]
local struck = 0
for n = 3, #ARGV do struck = struck + redis.call('ZREM', list, ARGV[n]) end
return struck
