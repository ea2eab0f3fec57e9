SELECT gendurable.instances.id, gendurable.instances.fsm, gendurable.instances.step, gendurable.instances.status, gendurable.instances.state, gendurable.instances.result, gendurable.instances.last_error, gendurable.instances.parent_round
FROM gendurable.instances
WHERE gendurable.instances.parent_id = %(parent)s::BIGINT AND gendurable.instances.id > %(after)s::BIGINT ORDER BY gendurable.instances.id
 LIMIT %(up_to)s::BIGINT
