SELECT instances.correlation_guard, instances.id
FROM gendurable.instances
WHERE instances.correlation_guard = any(%(keys)s::TEXT[])
