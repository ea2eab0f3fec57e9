WITH rates AS
(SELECT instances.rate_limit AS key, count(*) AS number, min(instances.id) AS first
FROM gendurable.instances
WHERE instances.status = 'runnable' AND instances.blocked = 'rate' AND instances.paused_at IS NULL GROUP BY instances.rate_limit)
 SELECT rates.key, rates.number, instances.fsm, instances.step
FROM rates JOIN gendurable.instances ON instances.id = rates.first LEFT OUTER JOIN LATERAL (SELECT limits.amount, limits.per_us, limits.burst
FROM gendurable.limits
WHERE limits.kind = 'rate' AND limits.name = split_part(rates.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1) AS policy ON true
WHERE policy.amount IS NULL ORDER BY rates.key
