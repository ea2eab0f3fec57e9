SELECT gendurable.instances.correlation_guard, gendurable.instances.id
FROM gendurable.instances
WHERE gendurable.instances.correlation_guard = any(%(keys)s::TEXT[])
