WITH idle AS MATERIALIZED
(SELECT buckets.key, buckets.level, buckets.at
FROM gendurable.buckets
WHERE buckets.head_at IS NULL AND buckets.at < statement_timestamp() - interval '1 hour' ORDER BY buckets.at
 LIMIT %(up_to)s::INTEGER FOR UPDATE SKIP LOCKED),
filled AS
(SELECT idle.key
FROM idle JOIN LATERAL (SELECT limits.amount, limits.per_us, limits.burst
FROM gendurable.limits
WHERE limits.kind = 'rate' AND limits.name = split_part(idle.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1) AS policy ON true
WHERE EXTRACT(epoch FROM statement_timestamp() - idle.at) * 1000000 * policy.amount >= CAST(policy.burst AS NUMERIC) * policy.per_us - idle.level)
 DELETE FROM gendurable.buckets USING filled WHERE buckets.key = filled.key
