WITH outdated AS MATERIALIZED
(SELECT gendurable.buckets.key AS key
FROM gendurable.buckets LEFT OUTER JOIN LATERAL (SELECT gendurable.limits.amount AS amount, gendurable.limits.per_us AS per_us, gendurable.limits.burst AS burst
FROM gendurable.limits
WHERE gendurable.limits.kind = 'rate' AND gendurable.limits.name = split_part(gendurable.buckets.key, ':', 1) ORDER BY gendurable.limits.source DESC
 LIMIT 1) AS policy ON true
WHERE gendurable.buckets.head_at > statement_timestamp() AND (gendurable.buckets.amount IS NOT NULL OR gendurable.buckets.burst IS NULL) AND (gendurable.buckets.amount IS DISTINCT FROM policy.amount OR gendurable.buckets.burst IS DISTINCT FROM policy.burst OR gendurable.buckets.per_us != policy.per_us) ORDER BY gendurable.buckets.key FOR UPDATE OF buckets SKIP LOCKED)
 UPDATE gendurable.buckets SET head_at=statement_timestamp() WHERE gendurable.buckets.key = any(array((SELECT outdated.key
FROM outdated)))
