WITH idle AS MATERIALIZED
(SELECT gendurable.buckets.key AS key, gendurable.buckets.level AS level, gendurable.buckets.at AS at
FROM gendurable.buckets
WHERE gendurable.buckets.head_at IS NULL AND gendurable.buckets.at < statement_timestamp() - interval '1 hour' ORDER BY gendurable.buckets.at
 LIMIT %(up_to)s::INTEGER FOR UPDATE SKIP LOCKED),
filled AS
(SELECT idle.key AS key
FROM idle JOIN LATERAL (SELECT gendurable.limits.amount AS amount, gendurable.limits.per_us AS per_us, gendurable.limits.burst AS burst
FROM gendurable.limits
WHERE gendurable.limits.kind = 'rate' AND gendurable.limits.name = split_part(idle.key, ':', 1) ORDER BY gendurable.limits.source DESC
 LIMIT 1) AS policy ON true
WHERE EXTRACT(epoch FROM statement_timestamp() - idle.at) * 1000000 * policy.amount >= CAST(policy.burst AS NUMERIC) * policy.per_us - idle.level)
 DELETE FROM gendurable.buckets USING filled WHERE gendurable.buckets.key = filled.key
