/**
 * The functions with their permissions, the topic for their reports, and the custom resource by which the migrate function sets up
 * the databases.
 */
import { CustomResource, Duration, FileSystem, Lazy, Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { Alerts } from './alerts.ts';
import type { ObservedNode } from './observed-node.ts';
import { MIGRATIONS, version } from './package-files.ts';
import type { Store } from './store.ts';
import {
  type ArchivePlace,
  ArchiveRights,
  archiveVariables,
  letReadArchive,
  readingVariables,
} from './timewarp-archive.ts';
import { TimewarpFunction, type TimewarpFunctionProps } from './timewarp-function.ts';
import { wantedNode } from './wanted-node.ts';

type HandlerName = TimewarpFunctionProps['handler'];

export interface FunctionsProps {
  readonly store: Store;
  readonly logDays: Readonly<Record<HandlerName, RetentionDays>>;
  readonly poller: {
    readonly timeout: Duration;
    readonly memoryMb: number;
    readonly reservedConcurrency: number | null;
  };
  /** null: no function for the HTTP API. */
  readonly api: {
    readonly concurrency: number | null;
    readonly tablesClaim: string | null;
    /** How people sign in to the page; null: there is no page. */
    readonly signIn: string | null;
    /** Further stores that it asks. */
    readonly otherStores: readonly Store[];
  } | null;
  /** null: no function for the archive, and the API does not read one. */
  readonly archive: ArchivePlace | null;
  /** The addresses that get reports and alarms. */
  readonly emails: readonly string[];
  /** The beginning of the names of the secrets of nodes that have none of their own; null: all have. */
  readonly sourceSecretPrefix: string | null;
  /** How many nodes an invocation serves at a time. */
  readonly nodesAtOnce: number;
  /** Whether the functions report metrics of each node. */
  readonly nodeMetrics: boolean;
  /** Nodes whose sources are gone for good. */
  readonly forgetSources: readonly string[];
}

type Specifics = Pick<
  TimewarpFunctionProps,
  | 'handler'
  | 'description'
  | 'timeout'
  | 'memoryMb'
  | 'temporaryMb'
  | 'environment'
  | 'secretArns'
  | 'reservedConcurrency'
>;

/** The default of the functions (lambda/shared/configuration.ts). */
export const NODES_AT_ONCE = 8;
/** So short that a login by IAM from its start is valid until its end. */
const MAINTENANCE_TIME = Duration.minutes(10);

export class Functions extends Construct {
  readonly poller: TimewarpFunction;
  readonly doctor: TimewarpFunction;
  readonly migrate: TimewarpFunction;
  readonly maintenance: TimewarpFunction;
  /** null: the deployment has no API. */
  readonly api: TimewarpFunction | null;
  /** null: the deployment has no archive. */
  readonly archiver: TimewarpFunction | null;
  readonly #archiveRights: ArchiveRights | null;
  readonly alerts: Alerts;
  readonly databases: CustomResource;
  readonly #props: FunctionsProps;
  readonly #nodes: ObservedNode[] = [];
  readonly #sources: string;
  /** The logins by IAM of each function that reads sources. */
  readonly #users = new Map<TimewarpFunction, PolicyStatement>();

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id);
    this.#props = props;
    this.#sources = Lazy.string({
      produce: () =>
        JSON.stringify(
          Object.fromEntries(
            this.#nodes.flatMap(({ node, secretArn, reference }) =>
              secretArn === null ? [] : [[node, reference]],
            ),
          ),
        ),
    });
    this.alerts = new Alerts(this, 'Alerts', props.emails);
    this.poller = this.#poller();
    this.api = props.api === null ? null : this.#api(props.api);
    this.doctor = this.#doctor();
    this.migrate = this.#migrate();
    this.maintenance = this.#maintenance();
    this.archiver = props.archive === null ? null : this.#archiver(props.archive);
    this.#archiveRights = this.archiver === null ? null : new ArchiveRights(this.archiver, props.archive!);
    if (props.sourceSecretPrefix !== null) this.#archiveRights?.forNode('*');
    this.databases = this.#databases();
    if (props.sourceSecretPrefix !== null)
      for (const each of this.#readers()) each.readSecretsNamed(props.sourceSecretPrefix);
    // The store has the schema of the new version before the new functions answer.
    for (const each of [this.api, this.archiver]) each?.function.node.addDependency(this.databases);
  }

  /** Gives a node to the functions that read sources. */
  observe(node: ObservedNode): void {
    this.#nodes.push(node);
    const isArchived = node.tables.some(({ archive }) => archive !== null);
    if (isArchived && this.#props.archive === null)
      throw new Error(`The node "${node.node}" cannot be archived: the deployment has no archive.`);
    if (this.#props.sourceSecretPrefix === null) this.#archiveRights?.forNode(node.node);
    for (const each of this.#readers()) {
      if (node.secretArn !== null) each.readSecret(node.secretArn);
      if (node.iamUserArn !== null) this.#logInAs(each, node.iamUserArn);
    }
  }

  /** Lets all functions use a customer key of a secret. */
  decryptWith(keyArn: string): void {
    const { poller, doctor, migrate, maintenance, api, archiver } = this;
    for (const each of [poller, doctor, migrate, maintenance, api, archiver]) each?.decryptWith(keyArn);
  }

  #readers(): TimewarpFunction[] {
    return [this.poller, this.doctor, this.maintenance, this.migrate];
  }

  #logInAs(reader: TimewarpFunction, iamUserArn: string): void {
    const known = this.#users.get(reader);
    if (known !== undefined) {
      known.addResources(iamUserArn);
      return;
    }
    const statement = new PolicyStatement({ actions: ['rds-db:connect'], resources: [iamUserArn] });
    this.#users.set(reader, statement);
    reader.policy.addStatements(statement);
  }

  #make(name: string, specifics: Specifics): TimewarpFunction {
    const { store, logDays } = this.#props;
    return new TimewarpFunction(this, name, {
      ...specifics,
      vpc: store.vpc,
      subnets: store.subnets,
      securityGroup: store.clients,
      logDays: logDays[specifics.handler],
    });
  }

  /** How a function finds the secret of a source. */
  #sourceVariables(): Record<string, string> {
    const { sourceSecretPrefix: prefix } = this.#props;
    return {
      PGTIMEWARP_SOURCE_SECRET_ARNS: this.#sources,
      ...(prefix === null ? {} : { PGTIMEWARP_SOURCE_SECRET_PREFIX: prefix }),
    };
  }

  #servingVariables(): Record<string, string> {
    const { nodesAtOnce, nodeMetrics } = this.#props;
    return {
      ...(nodesAtOnce === NODES_AT_ONCE ? {} : { PGTIMEWARP_NODES_AT_ONCE: String(nodesAtOnce) }),
      ...(nodeMetrics ? {} : { PGTIMEWARP_NODE_METRICS: 'off' }),
    };
  }

  #poller(): TimewarpFunction {
    const { store, poller } = this.#props;
    return this.#make('Poller', {
      handler: 'poller',
      description: 'Reads what the sources have committed into the store',
      ...poller,
      environment: {
        PGTIMEWARP_STORE_SECRET_ARN: store.references.writer,
        ...this.#sourceVariables(),
        ...this.#servingVariables(),
      },
      secretArns: [store.secretArns.writer],
    });
  }

  #api(asked: NonNullable<FunctionsProps['api']>): TimewarpFunction {
    const { concurrency, tablesClaim, signIn, otherStores } = asked;
    const { store, archive } = this.#props;
    const api = this.#make('Api', {
      handler: 'api',
      description: 'Answers what rows were, and how they changed',
      timeout: Duration.seconds(29), // API Gateway waits 30 s
      memoryMb: 1024,
      reservedConcurrency: concurrency,
      environment: {
        PGTIMEWARP_STORE_SECRET_ARN: store.references.reader,
        ...(tablesClaim === null ? {} : { PGTIMEWARP_TABLES_CLAIM: tablesClaim }),
        ...(signIn === null ? {} : { PGTIMEWARP_SIGN_IN: signIn }),
        ...(archive === null ? {} : readingVariables(archive)),
        ...(otherStores.length === 0
          ? {}
          : {
              PGTIMEWARP_OTHER_STORE_SECRET_ARNS: JSON.stringify(
                otherStores.map(({ references }) => references.reader),
              ),
            }),
      },
      secretArns: [store, ...otherStores].map(({ secretArns }) => secretArns.reader),
    });
    if (archive !== null) letReadArchive(api, archive);
    return api;
  }

  #doctor(): TimewarpFunction {
    const { store } = this.#props;
    const doctor = this.#make('Doctor', {
      handler: 'doctor',
      description: 'Examines sources, slots and store',
      timeout: Duration.minutes(2),
      memoryMb: 512,
      environment: {
        PGTIMEWARP_STORE_SECRET_ARN: store.references.writer,
        ...this.#sourceVariables(),
        ...this.#servingVariables(),
        PGTIMEWARP_TOPIC_ARN: this.alerts.topic.topicArn,
      },
      secretArns: [store.secretArns.writer],
    });
    this.alerts.allow(doctor.policy);
    return doctor;
  }

  #migrate(): TimewarpFunction {
    const { references, secretArns } = this.#props.store;
    return this.#make('Migrate', {
      handler: 'migrate',
      description: 'Brings schema, logins, nodes and tables to what the deployment says',
      timeout: Duration.minutes(15),
      memoryMb: 1024,
      environment: {
        PGTIMEWARP_STORE_SECRET_ARN: references.owner,
        PGTIMEWARP_WRITER_SECRET_ARN: references.writer,
        PGTIMEWARP_READER_SECRET_ARN: references.reader,
      },
      secretArns: [secretArns.owner, secretArns.writer, secretArns.reader],
    });
  }

  #maintenance(): TimewarpFunction {
    const { store, poller } = this.#props;
    return this.#make('Maintenance', {
      handler: 'maintenance',
      description: 'Does what an operator asks: rebaseline, skip, release-slot',
      timeout: MAINTENANCE_TIME,
      memoryMb: poller.memoryMb,
      environment: {
        PGTIMEWARP_STORE_SECRET_ARN: store.references.writer,
        PGTIMEWARP_OWNER_SECRET_ARN: store.references.owner,
        ...this.#sourceVariables(),
      },
      secretArns: [store.secretArns.owner, store.secretArns.writer],
    });
  }

  /** It needs the names of the sources and none of their secrets. */
  #archiver(place: ArchivePlace): TimewarpFunction {
    const { store } = this.#props;
    return this.#make('Archiver', {
      handler: 'archiver',
      description: 'Copies old history to the bucket',
      timeout: Duration.minutes(15),
      memoryMb: 1769, // a whole processor; it uses about 400 MB
      temporaryMb: 1024, // files of about 256 MB, one at a time
      environment: {
        PGTIMEWARP_STORE_SECRET_ARN: store.references.writer,
        ...this.#sourceVariables(),
        ...(this.#props.nodeMetrics ? {} : { PGTIMEWARP_NODE_METRICS: 'off' }),
        ...archiveVariables(Stack.of(this), place),
      },
      secretArns: [store.secretArns.writer],
    });
  }

  #databases(): CustomResource {
    const databases = new CustomResource(this, 'Databases', {
      serviceToken: this.migrate.function.functionArn,
      serviceTimeout: Duration.minutes(16),
      properties: {
        Nodes: Lazy.string({ produce: () => JSON.stringify(this.#nodes.map(wantedNode)) }),
        ForgetSources: JSON.stringify(this.#props.forgetSources),
        // A new migration changes this property, so that CloudFormation calls the migrate function again.
        Migrations: FileSystem.fingerprint(MIGRATIONS, { exclude: ['schema.sql'] }),
        Version: version(),
      },
    });
    Validations.of(databases).acknowledge({
      id: 'CloudFormation-Validate::W9003',
      reason:
        'The CDK writes the time-out of a custom resource as a text, which CloudFormation takes for the number.',
    });
    return databases;
  }
}
