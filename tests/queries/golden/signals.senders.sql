SELECT CAST(signals.headers AS TEXT) AS headers
FROM gendurable.signals
WHERE signals.id = any(%(ids)s::BIGINT[]) AND signals.headers IS NOT NULL ORDER BY signals.id
