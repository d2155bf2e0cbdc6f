-- ARGV: policy -> {non-terminal, {lane, open, ...}, field, value, ...}
local answer = redis.call('HGETALL', BOOKS)
table.insert(answer, 1, redis.call('HGETALL', OPEN))
table.insert(answer, 1, redis.call('ZCARD', DUE))
return answer
