SELECT gendurable.instances.blocked, gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step, count(*) AS count, min(gendurable.instances.id) AS example
FROM gendurable.instances
WHERE gendurable.instances.blocked IN ('unknown', 'invalid') GROUP BY gendurable.instances.blocked, gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step ORDER BY count DESC
