INSERT INTO gendurable.buckets (key, level, per_us, at) SELECT wanted.key, coalesce(CAST(policy.burst AS NUMERIC) * policy.per_us, 1e40) AS coalesce_1, coalesce(policy.per_us, 1) AS coalesce_2, statement_timestamp()
FROM json_to_recordset(%(keys)s::JSON) AS wanted(key TEXT) LEFT OUTER JOIN LATERAL (SELECT limits.amount, limits.per_us, limits.burst
FROM gendurable.limits
WHERE limits.kind = 'rate' AND limits.name = split_part(wanted.key, ':', 1) ORDER BY limits.source DESC
 LIMIT 1) AS policy ON true ORDER BY wanted.key ON CONFLICT DO NOTHING
