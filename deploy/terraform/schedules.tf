# A run of each node at its own rate, doctor, and the archive. A run that cannot start is not retried: the next one follows.

locals {
  schedules = merge(
    { for name, node in var.nodes : "poll-${name}" => { function = "poller", minutes = node.every_minutes, input = jsonencode({ node = name }) } },
    { doctor = { function = "doctor", minutes = var.doctor_every_minutes, input = "{}" } },
    var.archive == null ? {} : { archive = { function = "archiver", minutes = var.archive.every_minutes, input = "{}" } },
  )
}

data "aws_iam_policy_document" "assume_scheduler" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name_prefix        = "${substr(var.name, 0, 24)}-scheduler-"
  assume_role_policy = data.aws_iam_policy_document.assume_scheduler.json
  tags               = var.tags
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [for name in concat(["poller", "doctor"], var.archive == null ? [] : ["archiver"]) : aws_lambda_function.function[name].arn]
  }
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "invoke"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}

resource "aws_scheduler_schedule" "schedule" {
  for_each            = local.schedules
  name                = "${var.name}-${each.key}"
  schedule_expression = each.value.minutes == 1 ? "rate(1 minute)" : "rate(${each.value.minutes} minutes)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.function[each.value.function].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = each.value.input

    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }

  # the schema is there before the first run
  depends_on = [aws_cloudformation_stack.databases, aws_iam_role_policy.scheduler]
}
