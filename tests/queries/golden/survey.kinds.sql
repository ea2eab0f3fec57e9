SELECT gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step, count(*) AS count, min(gendurable.instances.id) AS example
FROM gendurable.instances
WHERE gendurable.instances.status IN ('runnable', 'executing', 'awaiting_signal', 'awaiting_children') GROUP BY gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step ORDER BY gendurable.instances.fsm, gendurable.instances.fsm_version, gendurable.instances.step
