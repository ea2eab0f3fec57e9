WITH outdated AS MATERIALIZED
(SELECT buckets.key
FROM gendurable.buckets LEFT OUTER JOIN LATERAL (SELECT limits.amount, limits.per_us, limits.burst
FROM gendurable.limits
WHERE limits.kind = 'rate' AND limits.name = split_part(buckets.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1) AS policy ON true
WHERE buckets.head_at > statement_timestamp() AND (buckets.amount IS NOT NULL OR buckets.burst IS NULL) AND (buckets.amount IS DISTINCT FROM policy.amount OR buckets.burst IS DISTINCT FROM policy.burst OR buckets.per_us != policy.per_us) ORDER BY buckets.key FOR UPDATE OF buckets SKIP LOCKED)
 UPDATE gendurable.buckets SET head_at=statement_timestamp() WHERE buckets.key = any(array((SELECT outdated.key
FROM outdated)))
