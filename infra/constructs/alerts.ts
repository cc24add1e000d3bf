/**
 * The topic for reports of doctor and for alarms, with mail to the configured addresses. It has its own key: CloudWatch may not use
 * the default key of SNS, and its alarms would then fail silently.
 */
import { Aws, Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { Effect, type Policy, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

const KEY_ACTIONS = ['kms:Decrypt', 'kms:GenerateDataKey'];

export class Alerts extends Construct {
  readonly topic: Topic;
  readonly #key: Key;

  constructor(scope: Construct, id: string, emails: readonly string[]) {
    super(scope, id);
    this.#key = new Key(this, 'Key', {
      description: 'Messages of pgtimewarp on their way',
      enableKeyRotation: true,
      pendingWindow: Duration.days(7),
      removalPolicy: RemovalPolicy.DESTROY, // a topic keeps no messages
    });
    this.topic = new Topic(this, 'Topic', { masterKey: this.#key, enforceSSL: true });
    const alarms = {
      effect: Effect.ALLOW,
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    };
    this.topic.addToResourcePolicy(
      new PolicyStatement({ ...alarms, actions: ['sns:Publish'], resources: [this.topic.topicArn] }),
    );
    this.#key.addToResourcePolicy(new PolicyStatement({ ...alarms, actions: KEY_ACTIONS, resources: ['*'] }));
    Validations.of(this).acknowledge({
      id: 'Serverless::Serverless-SNSRedrivePolicy',
      reason: 'A queue of undelivered mail would not be read either. Alarms and logs are in CloudWatch.',
    });
    for (const email of new Set(emails)) this.topic.addSubscription(new EmailSubscription(email));
  }

  /** Lets the role behind a policy publish. */
  allow(policy: Policy): void {
    policy.addStatements(
      new PolicyStatement({ actions: ['sns:Publish'], resources: [this.topic.topicArn] }),
      new PolicyStatement({ actions: KEY_ACTIONS, resources: [this.#key.keyArn] }),
    );
  }
}
