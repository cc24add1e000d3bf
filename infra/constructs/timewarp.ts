/**
 * The whole of a deployment in one construct: store, functions, schedules, HTTP API, alarms. The stacks of this repository are made of
 * the same parts.
 */
import { Duration } from 'aws-cdk-lib';
import type { Alarm, Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { Connections, IConnectable, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { Functions, NODES_AT_ONCE } from './functions.ts';
import { type AlarmLimits, Monitoring } from './monitoring.ts';
import { type ObserveOptions, observedNode } from './observe-options.ts';
import { OwnMetrics } from './own-metrics.ts';
import { QueryApi } from './query-api.ts';
import { Schedules } from './schedules.ts';
import { Store } from './store.ts';
import { type ArchivePlace, archivePlace, type TimewarpArchiveOptions } from './timewarp-archive.ts';
import { TimewarpAuthorization } from './timewarp-authorization.ts';
import { signInVariable, type TimewarpPageOptions } from './timewarp-page.ts';
import type { TimewarpSource } from './timewarp-source.ts';
import type { TimewarpStore } from './timewarp-store.ts';

/** The HTTP API. */
export interface TimewarpApiOptions {
  /**
   * Who may ask.
   * @default TimewarpAuthorization.iam()
   */
  readonly authorization?: TimewarpAuthorization;
  /**
   * Above it, and for a moment above twice as many, requests get 429.
   * @default 100
   */
  readonly requestsPerSecond?: number;
  /**
   * How many questions run at a time, each with a connection; reserved for the function.
   * @default as many as the account allows
   */
  readonly concurrency?: number;
  /**
   * The origins of pages that may ask from a browser.
   * @default none
   */
  readonly corsOrigins?: string[];
  /**
   * The page for browsers. It needs `TimewarpAuthorization.jwt`.
   * @default none
   */
  readonly page?: TimewarpPageOptions;
}

/** The runs. */
export interface TimewarpPollerOptions {
  /**
   * The time limit of a run. The next run continues where it stopped.
   * @default Duration.minutes(5)
   */
  readonly timeout?: Duration;
  /** @default 1769 */
  readonly memoryMb?: number;
  /**
   * Not needed for correctness: the store lets only one run of a node write.
   * @default none
   */
  readonly reservedConcurrency?: number;
}

/** What a deployment is made of. */
export interface TimewarpProps {
  /** The network of the functions. They need a way to Secrets Manager, SNS and S3. */
  readonly vpc: IVpc;
  /**
   * The subnets of the functions and of a new store.
   * @default the private subnets
   */
  readonly vpcSubnets?: SubnetSelection;
  /**
   * Security groups of interface endpoints: each gets a rule that admits the functions.
   * @default none
   */
  readonly endpointSecurityGroupIds?: string[];
  /** The database with the history. */
  readonly store: TimewarpStore;
  /** @default the API that `TimewarpApiOptions` describes */
  readonly api?: TimewarpApiOptions;
  /**
   * No HTTP API.
   * @default false
   */
  readonly withoutApi?: boolean;
  /**
   * Where old history goes. `observe` says which tables, or `archive set`.
   * @default no archive
   */
  readonly archive?: TimewarpArchiveOptions;
  /** @default see TimewarpPollerOptions */
  readonly poller?: TimewarpPollerOptions;
  /**
   * Metrics and alarms of each node. Those of all nodes together, of which the worst counts, are always there.
   * @default true
   */
  readonly eachNodeWatched?: boolean;
  /** @default see AlarmLimits */
  readonly alarmLimits?: AlarmLimits;
  /**
   * The addresses that get alarms and the reports of doctor. Each must confirm once.
   * @default none: alarms are in CloudWatch only
   */
  readonly emails?: string[];
  /**
   * How often doctor examines the nodes, in minutes.
   * @default 60
   */
  readonly doctorEveryMinutes?: number;
  /** @default RetentionDays.ONE_MONTH */
  readonly logRetention?: RetentionDays;
  /**
   * ARNs of customer keys of secrets that the CDK does not know. The functions use them through Secrets Manager only.
   * @default none
   */
  readonly kmsKeyArns?: string[];
  /**
   * Names of nodes that are observed no more and whose sources are gone for good.
   * @default none
   */
  readonly forgetSources?: string[];
}

/**
 * History of rows: store, functions, schedules, HTTP API and alarms.
 *
 * @example
 * const history = new Timewarp(this, 'History', { vpc, store: TimewarpStore.serverless() });
 * history.observe('shop', TimewarpSource.fromCluster(cluster, login), {
 *   database: 'shop',
 *   tables: ['public.orders'],
 *   retention: Duration.days(90),
 * });
 * history.grantQuery(report);
 */
export class Timewarp extends Construct implements IConnectable {
  /** The way of the functions to databases: a source, or an existing store, must admit it. */
  readonly connections: Connections;
  /** Where alarms and the reports of doctor go. */
  readonly alertsTopic: ITopic;
  /** The address of the HTTP API; undefined without one. */
  readonly url: string | undefined;
  /** Does what an operator asks: see the maintenance events in docs/run-books.md. */
  readonly maintenanceFunction: IFunction;
  /** Archives what is due; undefined without `archive`. */
  readonly archiverFunction: IFunction | undefined;
  readonly #functions: Functions;
  readonly #schedules: Schedules;
  readonly #monitoring: Monitoring;
  readonly #api: QueryApi | null;
  readonly #everyMinutes = new Map<string, number>();

  constructor(scope: Construct, id: string, props: TimewarpProps) {
    super(scope, id);
    const { doctorEveryMinutes = 60, logRetention: logDays = RetentionDays.ONE_MONTH } = props;
    const api = props.withoutApi ? null : (props.api ?? {});
    const store = this.#makeStore(props, logDays);
    this.connections = store.clients.connections;
    const archive = props.archive === undefined ? null : archivePlace(props.archive);
    this.#functions = this.#makeFunctions(props, store, archive);
    const { poller, doctor, maintenance, api: asked, archiver, alerts, databases } = this.#functions;
    databases.node.addDependency(store); // the cluster must be available before the migrate function connects to it
    this.alertsTopic = alerts.topic;
    this.maintenanceFunction = maintenance.function;
    this.archiverFunction = archiver?.function;
    this.#schedules = new Schedules(this, 'Schedules', {
      poller: poller.function,
      doctor: doctor.function,
      doctorEveryMinutes,
      archiver:
        archiver === null || archive === null
          ? null
          : { function: archiver.function, everyMinutes: archive.everyMinutes },
    });
    this.#schedules.node.addDependency(databases);
    this.#api =
      api === null || asked === null
        ? null
        : new QueryApi(this, 'Api', {
            api: asked.function,
            authorizer: (api.authorization ?? TimewarpAuthorization.iam())._authorizer(),
            requestsPerSecond: api.requestsPerSecond ?? 100,
            corsOrigins: api.corsOrigins ?? [],
            hasPage: api.page !== undefined,
            logDays,
          });
    this.url = this.#api?.stage.url;
    this.#monitoring = new Monitoring(this, 'Monitoring', {
      functions: {
        poller: poller.function,
        doctor: doctor.function,
        ...(asked === null ? {} : { api: asked.function }),
        ...(archiver === null ? {} : { archiver: archiver.function }),
      },
      archiveEveryMinutes: archive?.everyMinutes ?? null,
      stage: this.#api?.stage ?? null,
      alerts: alerts.topic,
      limits: props.alarmLimits ?? {},
      doctorEveryMinutes,
      eachNode: props.eachNodeWatched ?? true,
      isFirst: true,
    });
    for (const arn of props.kmsKeyArns ?? []) this.#functions.decryptWith(arn);
  }

  /** All alarms; those of a node from `observe` on. */
  get alarms(): Alarm[] {
    return [...this.#monitoring.alarms];
  }

  /**
   * Observes a database. The deployment makes its slot and publication, and drops them when it is observed no more.
   * @param node its name in questions, metrics, the slot and the publication: lower-case letters, digits and underscores
   */
  observe(node: string, source: TimewarpSource, options: ObserveOptions): void {
    if (this.#everyMinutes.has(node)) throw new Error(`"${node}" is the name of another node already.`);
    const observed = observedNode(node, source, options);
    this.#everyMinutes.set(node, observed.everyMinutes);
    for (const part of [this.#functions, this.#schedules, this.#monitoring]) part.observe(observed);
    const { database, keyArn } = source._parts;
    if (keyArn !== undefined) this.#functions.decryptWith(keyArn);
    if (database === null) return;
    this.connections.allowToDefaultPort(database, 'functions of pgtimewarp');
    this.#functions.databases.node.addDependency(database);
  }

  /** Lets a function or a role ask the HTTP API, whose callers must be known by IAM. Give it `url`, too. */
  grantQuery(grantee: IGrantable): Grant {
    if (this.#api === null) throw new Error('Nobody can ask: this Timewarp has no HTTP API (withoutApi).');
    return this.#api.grantQuery(grantee);
  }

  /** How far the history of a node is behind, in seconds. A run reports it, also one that fails. */
  metricHorizonAge(node: string, options: MetricOptions = {}): Metric {
    const minutes = this.#everyMinutes.get(node);
    if (minutes === undefined) throw new Error(`The node "${node}" is not observed.`);
    const usual = { statistic: 'Maximum', period: Duration.minutes(minutes) };
    const { poller, doctor } = this.#functions;
    const metrics = new OwnMetrics({ poller: poller.function, doctor: doctor.function });
    return metrics.ofNode('HorizonAgeInSeconds', node, usual).with(options);
  }

  #makeStore(props: TimewarpProps, rotationLogDays: RetentionDays): Store {
    const { vpc, store } = props;
    return new Store(this, 'Store', {
      store,
      vpc,
      subnets:
        props.vpcSubnets === undefined ? vpc.privateSubnets : vpc.selectSubnets(props.vpcSubnets).subnets,
      endpointSecurityGroupIds: props.endpointSecurityGroupIds ?? [],
      rotationLogDays,
    });
  }

  #makeFunctions(props: TimewarpProps, store: Store, archive: ArchivePlace | null): Functions {
    const { poller = {}, logRetention: days = RetentionDays.ONE_MONTH } = props;
    const { authorization = TimewarpAuthorization.iam(), concurrency, page } = props.api ?? {};
    return new Functions(this, 'Functions', {
      store,
      logDays: {
        ...{ poller: days, api: days, doctor: days, migrate: days, maintenance: days, archiver: days },
      },
      archive,
      poller: {
        timeout: poller.timeout ?? Duration.minutes(5),
        memoryMb: poller.memoryMb ?? 1769,
        reservedConcurrency: poller.reservedConcurrency ?? null,
      },
      api: props.withoutApi
        ? null
        : {
            concurrency: concurrency ?? null,
            tablesClaim: authorization._tablesClaim,
            signIn: page === undefined ? null : signInVariable(page, authorization),
            otherStores: [],
          },
      emails: props.emails ?? [],
      sourceSecretPrefix: null,
      nodesAtOnce: NODES_AT_ONCE,
      nodeMetrics: props.eachNodeWatched ?? true,
      forgetSources: props.forgetSources ?? [],
    });
  }
}
