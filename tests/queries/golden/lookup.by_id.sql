SELECT gendurable.instances.id, gendurable.instances.status, gendurable.instances.result, gendurable.instances.last_error, gendurable.instances.step, gendurable.instances.attempt, gendurable.instances.parent_id, gendurable.instances.parent_round, gendurable.instances.round, gendurable.instances.ended_from, gendurable.instances.correlation_key, gendurable.instances.correlation_scope, gendurable.instances.queue, gendurable.instances.visit
FROM gendurable.instances
WHERE gendurable.instances.id = %(target)s::BIGINT
