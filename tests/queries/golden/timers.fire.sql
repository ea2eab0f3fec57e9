WITH due AS
(SELECT gendurable.instances.id AS id
FROM gendurable.instances
WHERE (gendurable.instances.status IN ('awaiting_signal', 'awaiting_children')) AND gendurable.instances.deadline IS NOT NULL AND gendurable.instances.deadline <= statement_timestamp() ORDER BY gendurable.instances.deadline
 LIMIT %(up_to)s::BIGINT FOR NO KEY UPDATE SKIP LOCKED)
 UPDATE gendurable.instances SET status='runnable', eligible_at=statement_timestamp(), deadline=NULL, timed_out=true, slot=NULL, blocked=NULL, locked_by=NULL, lease_expires_at=NULL, children_pending=0, ended_from=NULL, updated_at=statement_timestamp() WHERE gendurable.instances.id = any(array((SELECT due.id
FROM due))) RETURNING gendurable.instances.id, gendurable.instances.fsm, gendurable.instances.step, gendurable.instances.queue
