SELECT instances.id, instances.fsm, instances.step, instances.status, instances.state, instances.result, instances.last_error, instances.parent_round
FROM gendurable.instances
WHERE instances.parent_id = %(parent)s::BIGINT AND instances.id > %(after)s::BIGINT ORDER BY instances.id
 LIMIT %(up_to)s::BIGINT
