WITH due AS
(SELECT instances.id
FROM gendurable.instances
WHERE (instances.status IN ('awaiting_signal', 'awaiting_children')) AND instances.deadline IS NOT NULL AND instances.deadline <= statement_timestamp() ORDER BY instances.deadline
 LIMIT %(up_to)s::BIGINT FOR NO KEY UPDATE SKIP LOCKED)
 UPDATE gendurable.instances SET status='runnable', eligible_at=statement_timestamp(), deadline=NULL, timed_out=true, slot=NULL, blocked=NULL, locked_by=NULL, lease_expires_at=NULL, children_pending=0, ended_from=NULL, updated_at=statement_timestamp() WHERE instances.id = any(array((SELECT due.id
FROM due))) RETURNING instances.id, instances.fsm, instances.step, instances.queue
