SELECT CAST(signals.headers AS TEXT) AS headers
FROM gendurable.signals
WHERE signals.id = any(CAST((SELECT %(ids)s::BIGINT[] AS anon_1) AS BIGINT[])) AND signals.headers IS NOT NULL ORDER BY signals.id
