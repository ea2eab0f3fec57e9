SELECT limits.kind, limits.name, limits.source, limits.amount, limits.per_us, limits.burst
FROM gendurable.limits ORDER BY limits.kind, limits.name, limits.source DESC
