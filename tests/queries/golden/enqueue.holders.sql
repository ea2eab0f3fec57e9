SELECT instances.correlation_guard, instances.id
FROM gendurable.instances
WHERE instances.correlation_guard = any(CAST((SELECT %(keys)s::TEXT[] AS anon_1) AS TEXT[]))
