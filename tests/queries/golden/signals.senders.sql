SELECT CAST(gendurable.signals.headers AS TEXT) AS headers
FROM gendurable.signals
WHERE gendurable.signals.id = any(%(ids)s::BIGINT[]) AND gendurable.signals.headers IS NOT NULL ORDER BY gendurable.signals.id
