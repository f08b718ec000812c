-- Takes requests of a bucket for one gateway.
--
-- The bucket is one number: the microsecond at which all that was taken will have been paid for. What the
-- gateway says that it has had counts: what is missing in here was lost with a server, and is taken again as
-- far as it is still owed; what is too much in here was never received, or is given back. What it has admitted
-- while nobody answered it (`untold`) is charged when somebody does.
local bucket, gateway = KEYS[1], KEYS[2]
local number, is_first, had, owing = tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4])
local spent, wanted, untold = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local unit, burst, gateways = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])

local known_number, known = string.match(redis.call('GET', gateway) or '', '^(%d+) (%-?%d+)$')
if known_number and tonumber(known_number) >= number then
    -- Somebody else came first with a later question: this one is from before a connection broke.
    return {'late'}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.ceil(burst * unit)
-- More than what is in it, a credit of each gateway and the shares of all cannot be owed: a debt beyond that is
-- of another rate, or of a clock that was ahead, and would keep the bucket shut for as long.
local most = now + 2 * full + math.ceil(gateways * unit)
local paid = math.min(math.max(tonumber(redis.call('GET', bucket) or '0'), now), most)

local lost = 0
if not is_first then
    local missing = had - tonumber(known or '0')
    if missing > 0 then
        lost = math.min(missing, owing)
        paid = paid + math.ceil(lost * unit)
    elseif missing < 0 then
        paid = math.max(paid + math.ceil(missing * unit), now)
    end
end
spent = spent + untold
paid = paid + math.ceil(spent * unit)
local left = math.max(math.floor((full - (paid - now)) / unit), 0)
-- The less there is, the smaller the parts, so that no gateway holds what another one needs.
local given = math.min(wanted, left)
if given > 0 then
    given = math.min(given, math.max(math.floor(left / gateways), 1))
end
paid = paid + math.ceil(given * unit)
local keep = math.ceil((paid - now + full) / 1000) + 60000
redis.call('SET', bucket, string.format('%.0f', paid), 'PX', keep)
redis.call('SET', gateway, string.format('%.0f %.0f', number, had + spent + given), 'PX', keep)
local wait = math.max(math.ceil(paid - now + unit - full), 0)
return {'given', given, left - given, wait, lost, untold, 0}
