-- ARGV: policy, lane, tenant -> {limit or '', come back in ms}
return crowded(ARGV[2], ARGV[3], now_ms()) or { '', 0 }
