-- ARGV: policy, 'unfiled' | 'dead', job id... -> how many were there
local list = ARGV[2] == 'dead' and DEAD or UNFILED
local struck = 0
for n = 3, #ARGV do struck = struck + redis.call('ZREM', list, ARGV[n]) end
return struck
